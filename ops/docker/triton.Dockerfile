# Triton with what its models need, on a CPU (target `cpu`) or a GPU (target `gpu`). Build from the top of the checkout:
#   docker build -f ops/docker/triton.Dockerfile --target cpu -t sluice-triton-cpu .
# This image brings TensorRT 10.11.0.33: the bindings below must be of the same version, or plans do not load.
ARG TRITON=nvcr.io/nvidia/tritonserver:25.06-py3

FROM ${TRITON} AS base
ENV PYTHONPATH=/opt/sluice/engine:/opt/sluice/models \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_BREAK_SYSTEM_PACKAGES=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
COPY ops/constraints.txt /opt/sluice/constraints.txt
EXPOSE 8000 8001 8002

# ONNX Runtime inside the Python backend, rapidocr for text in pictures; the quantised models are kept in a volume at /var/cache/sluice.
FROM base AS cpu
RUN pip install -c /opt/sluice/constraints.txt numpy onnx onnxruntime rapidocr \
    && install -d -o triton-server -g triton-server /var/cache/sluice
ENV SLUICE_CACHE=/var/cache/sluice
COPY engine/sluice/__init__.py engine/sluice/cache.py /opt/sluice/engine/sluice/
COPY engine/sluice/triton_backend /opt/sluice/engine/sluice/triton_backend
COPY triton_repo /models
USER triton-server
CMD ["tritonserver", "--model-repository=/models", "--model-config-name=cpu"]

# TensorRT plans, built on the GPU that serves them by `python3 -m sluice_models.plan`, in a volume at /models; each is checked
# against ONNX Runtime. Plans and timings of earlier builds are kept in a volume at /var/cache/sluice.
FROM base AS gpu
RUN pip install -c /opt/sluice/constraints.txt numpy msgspec onnxruntime PyYAML rapidocr typer \
    && pip install --no-deps tensorrt_cu12_bindings==10.11.0.33 \
    && install -d -o triton-server -g triton-server /models /var/cache/sluice
ENV SLUICE_CACHE=/var/cache/sluice
COPY engine /opt/sluice/engine
COPY models /opt/sluice/models
COPY triton_repo /opt/sluice/triton_repo
USER triton-server
CMD ["tritonserver", "--model-repository=/models", "--model-config-name=tensorrt"]
