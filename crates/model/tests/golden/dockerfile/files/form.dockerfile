FROM debian
RUN ['a', 'b']
RUN ["a", "b"] x
RUN [ -f x ] || true
RUN ["a",
RUN ["a", \
  "b" ]
RUN
CMD [ "a" ]   
ENTRYPOINT ["sh", "-c", "echo \"x\" \u00e9 \ud83d\ude00"]
COPY ['a', 'b'] /x/
