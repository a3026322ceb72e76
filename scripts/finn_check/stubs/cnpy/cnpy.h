// The two functions of cnpy that FINN's generated C++ calls, for little-endian, C-ordered .npy files.
#pragma once
#include <complex>
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

namespace cnpy {

struct NpyArray {
  std::vector<char> bytes;
  std::vector<size_t> shape;
  size_t word_size = 0;
  size_t num_vals = 1;
  bool fortran_order = false;
  template <typename T> T *data() { return reinterpret_cast<T *>(bytes.data()); }
};

NpyArray npy_load(const std::string &file);
void npy_write(const std::string &file, const void *data, size_t word, char kind, const std::vector<size_t> &shape);

template <typename T>
void npy_save(const std::string &file, const T *data, const std::vector<size_t> &shape, const std::string & = "w") {
  const char kind = T(0.5) != T(0) ? 'f' : T(-1) < T(0) ? 'i' : 'u';
  npy_write(file, data, sizeof(T), kind, shape);
}

}  // namespace cnpy
