# escape=`
FROM debian
RUN a `
 b
