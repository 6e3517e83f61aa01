# Both bases are arguments, so that a mirror or a hardened image can take their place.
ARG BUILD_IMAGE=docker.io/library/rust:1.95-slim-bookworm
ARG RUN_IMAGE=docker.io/library/debian:bookworm-slim

FROM ${BUILD_IMAGE} AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY specs specs
COPY controllers controllers
COPY migrations migrations
COPY src src
RUN cargo build --release --locked --bin devpocket \
 && install -D -s target/release/devpocket /out/devpocket

FROM ${RUN_IMAGE}
# Certificates for Contabo's TLS; nothing else is needed to serve.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin devpocket
COPY --from=build /out/devpocket /usr/local/bin/devpocket
USER 10001:10001
ENV LOG_FORMAT=json PORT=8000
EXPOSE 8000
# A shell's own socket: no client program has to be in the image.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/${PORT} && printf 'GET /health/ready HTTP/1.0\\r\\nHost: 127.0.0.1\\r\\n\\r\\n' >&3 && IFS= read -r line <&3 && [[ $line == *' 200 '* ]]"]
ENTRYPOINT ["/usr/local/bin/devpocket"]
CMD ["serve", "--behind-proxy", "--host", "0.0.0.0"]
