import os, platform, random, time, uuid

mask = os.umask(0)
print("time", int(time.time()), time.time_ns(), "random", os.urandom(8).hex(), random.random(), uuid.uuid4(),
      "dir", " ".join(os.listdir("d")), "uname", platform.release(), "cpus", os.cpu_count(), "pid", os.getpid(),
      "umask %03o" % mask, "mtime", os.stat("p.py").st_mtime)
