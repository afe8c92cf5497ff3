# Build the environment of the real vLLM that `make test-vllm` starts; a second run finds it and returns.
set -eu
cd "$(dirname "$0")/../.."

requirements=tests/vllm/requirements.txt
environment=.venv-vllm
stamp=$environment/built-from
python=$environment/bin/python

if [ -f "$stamp" ] && cmp -s "$stamp" "$requirements"; then
    exit 0
fi

echo "Building $environment for the real vLLM (about 3 GB, some minutes) ..."
rm -rf "$environment"
"${PYTHON:-python3}" -m venv "$environment"
install="$python -m pip install --quiet --disable-pip-version-check"
# torch first and alone: asked for together with vLLM, a resolver may choose a CUDA build of several GB.
$install "$(grep '^torch==' $requirements)"
$install -r "$requirements"
# torchvision's builds do not match this torch and fail at import; triton has no CPU back end. Text needs neither.
$python -m pip uninstall --quiet --yes --disable-pip-version-check torchvision torchaudio torchcodec triton
$python -c "import vllm" || { echo "vLLM was installed but cannot be imported; see the lines above." >&2; exit 1; }
cp "$requirements" "$stamp"
