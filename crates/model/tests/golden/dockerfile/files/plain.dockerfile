FROM debian:12
RUN apt-get update && \
    apt-get install -y --no-install-recommends \
      # the compiler
      gcc \

      make
COPY . /src
WORKDIR /src
RUN make
CMD ["./hello"]
