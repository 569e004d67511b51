FROM debian AS a
CMD ["from", "a"]
FROM a AS b
ENTRYPOINT ["b"]
FROM a AS c
ENTRYPOINT []
CMD []
FROM b
CMD
