// Run by hand: `go mod tidy`, `go build`, and a line of JSON for each question. Nothing else in the house needs Go for it.
module oracle

go 1.26

require (
	github.com/distribution/reference v0.6.0
	github.com/moby/buildkit v0.34.2
	github.com/moby/patternmatcher v0.6.1
	github.com/opencontainers/go-digest v1.0.0
	github.com/opencontainers/image-spec v1.1.1
)
