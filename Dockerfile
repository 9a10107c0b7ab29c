# SPDX-License-Identifier: Apache-2.0
#
# The root file system of the managed plugin: one static program and the
# folders that the engine binds things to. "make plugin" turns it into
# build/plugin; it builds with BuildKit and with the classic builder.

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY . .
ARG VERSION
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X main.release=$VERSION" -o /rootfs/ovsnet ./cmd/ovsnet \
 && mkdir -p /rootfs/host/run /rootfs/host/proc/sys /rootfs/run/docker/plugins /rootfs/var/lib/ovsnet

FROM scratch
COPY --from=build /rootfs/ /
ENTRYPOINT ["/ovsnet"]
CMD ["serve"]
