# syntax=docker/dockerfile:1
# Obscura for CPUs. Build from the root of the repository: `make images`.
#
# What is in it (`make image-root` lays it out without an engine and prints the sizes): the program, the ONNX Runtime library,
# the models, their licences, and of shared libraries what the base lacks. The base is distroless: the C library, OpenSSL,
# certificates and nothing that could be run: no shell, no package manager. Debian's slim image would add 70 MB and a shell.
#
# Every step is a script that `make image-root` runs outside a container too. `make pin-images` puts digests behind the names.
ARG BUILD_IMAGE=docker.io/library/rust:1.95-bookworm
ARG BASE_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY . .
# Scripts stop at the first error by themselves.
RUN ["docker/build.sh", "/out"]

FROM ${BASE_IMAGE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="obscura" \
      org.opencontainers.image.description="Removes faces and licence plates from photos, and never publishes what was not checked" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/ /
ENV LD_LIBRARY_PATH=/opt/obscura/lib
# By number, so that Kubernetes can see that it is not root. It owns nothing in the image.
USER 65532:65532
EXPOSE 9464
# Asks /livez, which does not fail while broker or store are down.
HEALTHCHECK --interval=20s --timeout=5s --start-period=60s --retries=3 CMD ["/opt/obscura/bin/obscura", "health"]
ENTRYPOINT ["/opt/obscura/bin/obscura"]
CMD ["--help"]
