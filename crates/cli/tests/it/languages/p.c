#include <dirent.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

int main(void) {
    struct utsname name;
    struct timeval now;
    struct timespec exact;
    unsigned char bytes[8];
    uname(&name);
    gettimeofday(&now, 0);
    clock_gettime(CLOCK_REALTIME, &exact);
    getrandom(bytes, 8, 0);
    printf("time %ld %ld.%06ld %ld.%09ld random ", (long)time(0), (long)now.tv_sec, (long)now.tv_usec,
           (long)exact.tv_sec, exact.tv_nsec);
    for (int i = 0; i < 8; i++) printf("%02x", bytes[i]);
    printf(" dir");
    DIR *dir = opendir("d");
    struct dirent *entry;
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.') printf(" %s", entry->d_name);
    mode_t mask = umask(0);
    printf(" uname %s cpus %ld pid %d umask %03o\n", name.release, sysconf(_SC_NPROCESSORS_ONLN), getpid(), mask);
    return 0;
}
