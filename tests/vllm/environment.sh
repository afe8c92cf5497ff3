# Build the environment of the real vLLM that `make test-vllm` starts; a second run finds it and returns.
set -eu
cd "$(dirname "$0")/../.."

requirements=tests/vllm/requirements.txt
environment=.venv-vllm
stamp=$environment/built-from
python=$environment/bin/python

# The stamp is written last: whatever was cut off has none, and is built anew out of pip's cache.
if [ -x "$python" ] && cmp -s "$stamp" "$requirements"; then
    exit 0
fi

fail() {
    echo "$1" >&2
    exit 1
}

echo "Building $environment for the real vLLM (2.5 GB, some minutes) ..."
rm -rf "$environment"
"${PYTHON:-python3}" -m venv "$environment"
# Most of it is never imported: what is, is compiled by the import below.
"$python" -m pip install -qq --disable-pip-version-check --no-deps --no-compile -r "$requirements" ||
    fail "pip could not install $requirements. PyTorch keeps torch's CPU build in an index of its own: name it in PIP_EXTRA_INDEX_URL."
"$python" -c "import peft, vllm.entrypoints.openai.api_server" || fail "vLLM was installed and cannot be imported; the lines above say why."
cp "$requirements" "$stamp"
