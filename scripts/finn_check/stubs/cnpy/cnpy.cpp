#include "cnpy.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace cnpy {

// Version 1 files: 6 bytes magic, 2 version, 2 length of the header, the header, the data.
NpyArray npy_load(const std::string &file) {
  std::ifstream in(file, std::ios::binary);
  const std::string all((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (all.size() < 10 || all.compare(0, 6, "\x93NUMPY") != 0 || all[6] != 1)
    throw std::runtime_error(file + " is no .npy file of version 1");
  const size_t length = (unsigned char)all[8] + 256 * (unsigned char)all[9];
  const std::string header = all.substr(10, length);
  NpyArray out;
  const size_t descr = header.find("'descr'");
  const size_t type = header.find("'", descr + 8) + 1;
  out.word_size = std::atoi(header.c_str() + type + 2);
  out.fortran_order = header.find("'fortran_order': True") != std::string::npos;
  if (out.fortran_order) throw std::runtime_error(file + " is in Fortran order");
  const char *at = header.c_str() + header.find('(') + 1;
  while (*at && *at != ')') {
    char *end;
    const size_t n = std::strtoul(at, &end, 10);
    if (end == at) break;
    out.shape.push_back(n);
    out.num_vals *= n;
    for (at = end; *at == ',' || *at == ' '; at++) {}
  }
  out.bytes.assign(all.begin() + 10 + length, all.end());
  if (out.bytes.size() != out.num_vals * out.word_size) throw std::runtime_error(file + " is cut short");
  return out;
}

void npy_write(const std::string &file, const void *data, size_t word, char kind, const std::vector<size_t> &shape) {
  std::string dims;
  size_t count = 1;
  for (size_t n : shape) {
    dims += std::to_string(n) + ",";
    count *= n;
  }
  std::string header = std::string("{'descr': '<") + kind + std::to_string(word) + "', 'fortran_order': False, " +
                       "'shape': (" + dims + "), }";
  while ((10 + header.size() + 1) % 64) header += ' ';
  header += '\n';
  std::ofstream out(file, std::ios::binary);
  out.write("\x93NUMPY\x01\x00", 8);
  const char length[2] = {char(header.size() & 255), char(header.size() >> 8)};
  out.write(length, 2);
  out.write(header.data(), header.size());
  out.write(static_cast<const char *>(data), count * word);
}

}  // namespace cnpy
