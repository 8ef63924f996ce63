# batch in an image without a shell: `docker build -t batch .`, then
#   docker run --rm -v "$PWD:/work" -w /work --env-file .env -u "$(id -u)" batch run nightly-archive
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN make build VERSION="$VERSION"

# DuckDB is linked in; of the system it needs libc and libstdc++, which this image has.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/bin/batch /usr/local/bin/batch
WORKDIR /work
ENTRYPOINT ["/usr/local/bin/batch"]
CMD ["--help"]
