// Where the C simulation finds its weights: DIR/firmware/weights, seen from DIR/sim/libcore.so, wherever DIR lies.

#ifndef HWGEN_WEIGHTS_DIR_H_
#define HWGEN_WEIGHTS_DIR_H_

#include <dlfcn.h>
#include <string>

inline std::string hwgen_weights_dir() {
    Dl_info info;
    std::string path = dladdr(reinterpret_cast<void *>(&hwgen_weights_dir), &info) ? info.dli_fname : "";
    return path.substr(0, path.find_last_of('/') + 1) + "../firmware/weights";
}

#define WEIGHTS_DIR hwgen_weights_dir()

#endif
