// The type of ap_axi_sdata.h that finn-hlslib names; its functions over it are never called in FINN's C++ simulation.
#pragma once
#include "ap_int.h"

template <int D, int U, int TI, int TD>
struct qdma_axis {
  ap_uint<D> data;
  ap_uint<(D + 7) / 8> keep;
  ap_uint<1> last;
  ap_uint<D> get_data() const { return data; }
  void set_data(const ap_uint<D> &x) { data = x; }
  void set_keep(const ap_uint<(D + 7) / 8> &x) { keep = x; }
  void set_last(bool x) { last = x; }
};
