# SPDX-License-Identifier: Apache-2.0
#
# The root file system of the managed plugin: one static program, the folders
# that the engine binds things to, and the firewall's tools with the libraries
# that they need. "make plugin" turns it into build/plugin; it builds with
# BuildKit and with the classic builder.

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY . .
ARG VERSION
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X main.release=$VERSION" -o /rootfs/ovsnet ./cmd/ovsnet \
 && mkdir -p /rootfs/host/run /rootfs/host/proc/sys /rootfs/run/docker/plugins /rootfs/host/var/lib /rootfs/tmp

FROM debian:bookworm-slim AS tools
RUN apt-get update \
 && apt-get install -y --no-install-recommends nftables iptables
# cp follows the links of libraries (-L), and keeps those that are the names of iptables' commands (-P).
RUN mkdir /rootfs \
 && set -- /usr/sbin/nft /usr/sbin/xtables-nft-multi /usr/sbin/xtables-legacy-multi \
 && cp -L --parents -t /rootfs "$@" /usr/lib/*-linux-gnu/xtables/*.so \
    $(ldd "$@" /usr/lib/*-linux-gnu/xtables/*.so | grep -o '/[^ :)]*\.so[^ :)]*' | sort -u) \
 && cp -P --parents -t /rootfs /usr/sbin/iptables*-nft* /usr/sbin/ip6tables*-nft* /usr/sbin/iptables*-legacy* /usr/sbin/ip6tables*-legacy*

FROM scratch
ENV PATH=/usr/sbin
COPY --from=tools /rootfs/ /
COPY --from=build /rootfs/ /
ENTRYPOINT ["/ovsnet"]
CMD ["serve"]
