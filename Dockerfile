# syntax=docker/dockerfile:1

# One image holds every binary of the workspace: the four services, the `daybook` command line and the webhook receiver.
# A container chooses by its command.
FROM rust:1.95-bookworm AS build
# librdkafka is compiled here and links the distribution's OpenSSL and zlib.
RUN apt-get update \
 && apt-get install -y --no-install-recommends libssl-dev zlib1g-dev pkg-config \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --workspace --bins \
 && mkdir /out \
 && cp target/release/daybook target/release/daybook-ingest target/release/daybook-normalizer \
       target/release/daybook-arbiter target/release/daybook-propagator target/release/webhook-receiver /out/

FROM debian:bookworm-slim AS daybook
# curl asks the health checks' questions.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates curl libssl3 zlib1g \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin daybook
COPY --from=build /out/ /usr/local/bin/
USER 10001:10001
CMD ["daybook", "--help"]

# Radicale stands for the calendars that are mirrored; only development needs it.
FROM python:3.11-slim-bookworm AS radicale
COPY stack/radicale.txt /tmp/radicale.txt
RUN pip install --no-cache-dir --no-deps -r /tmp/radicale.txt \
 && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin radicale \
 && install -d -o 10001 -g 10001 /var/lib/radicale
COPY stack/compose/radicale.conf /etc/radicale/config
COPY --chmod=755 stack/compose/radicale.sh /usr/local/bin/start-radicale
USER 10001:10001
VOLUME /var/lib/radicale
CMD ["start-radicale"]

# The default target.
FROM daybook
