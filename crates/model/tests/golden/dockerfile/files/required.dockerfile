FROM debian
ENV a=${b:?is needed}
