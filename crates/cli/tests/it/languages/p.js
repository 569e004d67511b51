const crypto = require("crypto"), fs = require("fs"), os = require("os");
const names = [], dir = fs.opendirSync("d"); // readdir would sort
for (let entry; (entry = dir.readSync()); ) names.push(entry.name);
const mask = process.umask().toString(8).padStart(3, "0");
console.log("time", Math.floor(Date.now() / 1000), Date.now(), "random", crypto.randomBytes(8).toString("hex"),
    Math.random(), crypto.randomUUID(), "dir", names.join(" "), "uname", os.release(),
    "cpus", os.cpus().length, "pid", process.pid, "umask", mask, "memory", os.totalmem(), os.freemem(), os.loadavg()[0]);
