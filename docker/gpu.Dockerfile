# syntax=docker/dockerfile:1
# Obscura for NVIDIA GPUs: CUDA and TensorRT providers. Build from the root of the repository: `make images`.
#
# ONNX Runtime's providers ask for CUDA 13, cuDNN 9 and TensorRT 10. The base has all three in versions that NVIDIA tested
# together, so that nothing has to be installed here; it is why this image is gigabytes large and has a shell, which is not
# used. The program is built on the older C library of the build image and runs on the newer one of the base.
ARG BUILD_IMAGE=docker.io/library/rust:1.95-bookworm
ARG BASE_IMAGE=nvcr.io/nvidia/tensorrt:25.10-py3

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY . .
RUN ["docker/build.sh", "/out", "--gpu"]

FROM ${BASE_IMAGE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="obscura-gpu" \
      org.opencontainers.image.description="Removes faces and licence plates from photos, and never publishes what was not checked" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/ /
# What the base names stays in front of nothing of ours: these folders hold no CUDA.
ENV LD_LIBRARY_PATH=/opt/obscura/lib:/usr/local/cuda/lib64:/usr/local/nvidia/lib64:/usr/lib/x86_64-linux-gnu \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    OBSCURA_EXECUTION_PROVIDERS=cuda
USER 65532:65532
EXPOSE 9464
HEALTHCHECK --interval=20s --timeout=5s --start-period=120s --retries=3 CMD ["/opt/obscura/bin/obscura", "health"]
ENTRYPOINT ["/opt/obscura/bin/obscura"]
CMD ["--help"]
