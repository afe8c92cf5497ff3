# The gateway as an image: docker build -t hyperbridge:local .
# With llama.cpp in the process, for upstreams of the kind `embedded`: --build-arg EXTRA=embedded

FROM python:3.11.15-slim-trixie AS base

FROM base AS build
ARG EXTRA=""
WORKDIR /src
# The environment goes to the image without pip: whoever gets into a container finds no installer there.
RUN python -m venv --without-pip /opt/hyperbridge
COPY requirements/ requirements/
RUN pip --python /opt/hyperbridge install --no-cache-dir --require-hashes -r requirements/gateway.txt
# The extra's package needs no other.
RUN case "$EXTRA" in \
    "") ;; \
    embedded) pip --python /opt/hyperbridge install --no-cache-dir --require-hashes -r requirements/embedded.txt ;; \
    *) echo "EXTRA may be: embedded" >&2; exit 1 ;; \
    esac
COPY pyproject.toml README.md ./
COPY app/ app/
COPY routers/ routers/
COPY adapters/ adapters/
COPY scenes/ scenes/
COPY sim/ sim/
RUN pip --python /opt/hyperbridge install --no-cache-dir --no-deps --no-build-isolation . \
    && pip --python /opt/hyperbridge uninstall --yes setuptools

FROM base
ARG EXTRA=""
# llama.cpp computes with OpenMP. Debian's own version is right whichever it is.
# hadolint ignore=DL3008
RUN if [ "$EXTRA" = embedded ]; then \
        apt-get update && apt-get install --yes --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*; \
    fi
LABEL org.opencontainers.image.title="HyperBridge API" \
      org.opencontainers.image.description="An OpenAI-compatible inference gateway" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/hyperbridge /opt/hyperbridge
COPY deploy/hyperbridge.yaml /etc/hyperbridge/hyperbridge.yaml
# Byte code was written by the build; the root file system may be read-only, only /tmp and /var/lib/hyperbridge must not be.
ENV PATH=/opt/hyperbridge/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HYPERBRIDGE_CONFIG=/etc/hyperbridge/hyperbridge.yaml
# Keys and usage. A volume that is mounted here takes over whose the folder is.
RUN install -d -o 10001 -g 10001 -m 0700 /var/lib/hyperbridge
WORKDIR /etc/hyperbridge
USER 10001:10001
EXPOSE 8000
# Running calls may finish for server.drain_seconds; give the container longer than that.
STOPSIGNAL SIGTERM
# No proxy variable is heeded here, unlike in urllib.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-Ic", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 8000, timeout=2); c.request('GET', '/readyz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["hyperbridge"]
CMD ["serve"]
