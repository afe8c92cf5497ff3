# Build the environment that has torch, in which the forge trains and its tests run; a second run finds it and returns.
set -eu
cd "$(dirname "$0")/../.."

requirements=requirements/train.txt
torch=torch==2.13.0
environment=.venv-train
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

pip() {
    "$python" -m pip --disable-pip-version-check -qq "$@"
}

echo "Building $environment for the forge (1.6 GB, a minute or two) ..."
rm -rf "$environment"
"${PYTHON:-python3}" -m venv "$environment"
# torch stands in no lock: which of its builds fits is a matter of the machine. The CPU's is enough.
pip install --no-deps --require-hashes -r "$requirements" || fail "pip could not install $requirements."
pip install "$torch" ||
    fail "pip could not install $torch. PyTorch keeps its CPU build in an index of its own: name it in PIP_EXTRA_INDEX_URL."
pip install --no-deps --no-build-isolation --editable . || fail "hyperbridge could not be installed into $environment."
"$python" -c "import torch, transformers, peft, bitsandbytes" || fail "torch was installed and cannot be imported; the lines above say why."
cp "$requirements" "$stamp"
