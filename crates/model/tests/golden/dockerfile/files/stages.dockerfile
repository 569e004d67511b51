ARG GO=1.25
FROM --platform=$BUILDPLATFORM golang:${GO} AS Build
ARG TARGETOS TARGETARCH
WORKDIR /src
COPY go.* .
RUN --mount=type=cache,target=/root/.cache/go-build go mod download
COPY . .
RUN --mount=type=cache,target=/root/.cache/go-build GOOS=$TARGETOS GOARCH=$TARGETARCH go build -o /out/app .
FROM build AS test
RUN go test ./...
FROM alpine:3.20 as base
RUN apk add --no-cache ca-certificates
FROM base
COPY --from=Build --chown=65532:65532 --chmod=0755 /out/app /usr/local/bin/app
COPY --from=0 /src/LICENSE /
COPY --from=busybox:1.36 /bin/wget /bin/
USER 65532:65532
EXPOSE 8080 9090/udp
ENTRYPOINT ["/usr/local/bin/app"]
