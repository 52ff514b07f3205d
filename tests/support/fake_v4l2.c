/* A Video4Linux camera for one process: preloaded, it answers what the kernel would at the device FOLDER/video0, where
   FOLDER is $FAKE_V4L2. Everything above the system calls is real: FFmpeg's reader and the plugin.

   In FOLDER lie 0.jpg and 1.jpg, which it sends in turn as MJPEG; YUYV is noise. Files there change what it does at any
   time: `busy` (another program has it), `raw` (it offers no MJPEG), `unplugged`, `hangs` (no picture ever comes),
   `forbidden` (to this user), `upset` (it refuses to give a picture).
   `asked` tells which format, size and rate it was set to.

   Build: cc -shared -fPIC -o fake_v4l2.so fake_v4l2.c -ldl */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#define BUFFERS 4
#define MOST (1 << 20)

static int device = -1;
static void *memory[BUFFERS];
static int queue[BUFFERS + 1], head, tail, number;
static struct v4l2_pix_format format = {.width = 320, .height = 240, .pixelformat = V4L2_PIX_FMT_YUYV};
static struct v4l2_fract period = {1, 30};

static const char *file(const char *name) {
    static char path[4096];
    const char *folder = getenv("FAKE_V4L2");
    snprintf(path, sizeof path, "%s/%s", folder ? folder : "/nonexistent", name);
    return path;
}

static int is(const char *name) { return access(file(name), F_OK) == 0; }

static int refuse(int why) {
    errno = why;
    return -1;
}

static int opened(const char *path, int flags, int mode, const char *real) {
    int (*open_)(const char *, int, ...) = dlsym(RTLD_NEXT, real);
    if (strcmp(path, file("video0")))
        return open_(path, flags, mode);
    if (is("unplugged"))
        return refuse(ENOENT);
    if (is("forbidden"))
        return refuse(EACCES);
    return device = open_("/dev/null", O_RDWR | O_CLOEXEC);
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        int mode = va_arg(more, int);                                                                                  \
        va_end(more);                                                                                                  \
        return opened(path, flags, mode, #name);                                                                       \
    }
OPEN(open)
OPEN(open64)

int close(int fd) {
    int (*close_)(int) = dlsym(RTLD_NEXT, "close");
    if (fd == device)
        device = -1;
    return close_(fd);
}

void *mmap64(void *address, size_t size, int protection, int flags, int fd, off64_t offset) {
    void *(*mmap_)(void *, size_t, int, int, int, off64_t) = dlsym(RTLD_NEXT, "mmap64");
    if (fd < 0 || fd != device)
        return mmap_(address, size, protection, flags, fd, offset);
    return memory[offset / MOST] = mmap_(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static int set_format(struct v4l2_pix_format *wanted) {
    if (is("busy"))
        return refuse(EBUSY);
    if (wanted->width != format.width || wanted->height != format.height)
        if (wanted->width * 3 == wanted->height * 4 && wanted->width <= 640)  /* else it stays, as drivers do it */
            format.width = wanted->width, format.height = wanted->height;
    int compressed = wanted->pixelformat == V4L2_PIX_FMT_MJPEG && !is("raw");
    format.pixelformat = compressed ? V4L2_PIX_FMT_MJPEG : V4L2_PIX_FMT_YUYV;
    format.bytesperline = compressed ? 0 : 2 * format.width;
    format.sizeimage = compressed ? MOST : 2 * format.width * format.height;
    format.field = V4L2_FIELD_NONE;
    *wanted = format;
    return 0;
}

static int picture(struct v4l2_buffer *buffer) {
    while (is("hangs") && !is("unplugged"))
        usleep(10000);
    usleep(20000);
    if (is("unplugged"))
        return refuse(ENODEV);
    if (is("upset"))
        return refuse(EINVAL);
    int index = queue[head];
    head = (head + 1) % (BUFFERS + 1);
    buffer->index = index;
    buffer->bytesused = format.sizeimage;
    unsigned char *bytes = memory[index];
    if (format.pixelformat == V4L2_PIX_FMT_MJPEG) {
        FILE *stream = fopen(file(number++ % 2 ? "1.jpg" : "0.jpg"), "rb");
        buffer->bytesused = stream ? fread(bytes, 1, MOST, stream) : 0;
        if (stream)
            fclose(stream);
    } else
        for (unsigned at = 0; at < format.sizeimage; at++)
            bytes[at] = 16 + rand() % 220;
    gettimeofday(&buffer->timestamp, NULL);
    return 0;
}

static int answer(unsigned long request, void *given) {
    struct v4l2_buffer *buffer = given;
    switch (request) {
    case VIDIOC_QUERYCAP:
        ((struct v4l2_capability *)given)->capabilities = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        return 0;
    case VIDIOC_G_INPUT:
        return *(int *)given = 0;
    case VIDIOC_ENUMINPUT:
        return 0;
    case VIDIOC_G_FMT:
        ((struct v4l2_format *)given)->fmt.pix = format;
        return 0;
    case VIDIOC_S_FMT:
        return set_format(&((struct v4l2_format *)given)->fmt.pix);
    case VIDIOC_S_PARM:
        period = ((struct v4l2_streamparm *)given)->parm.capture.timeperframe; /* and then says what it is */
    case VIDIOC_G_PARM:
        ((struct v4l2_streamparm *)given)->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
        ((struct v4l2_streamparm *)given)->parm.capture.timeperframe = period;
        return 0;
    case VIDIOC_REQBUFS:
        ((struct v4l2_requestbuffers *)given)->count = BUFFERS;
        return 0;
    case VIDIOC_QUERYBUF:
        buffer->length = MOST;
        buffer->m.offset = buffer->index * MOST;
        return 0;
    case VIDIOC_QBUF:
        queue[tail] = buffer->index;
        tail = (tail + 1) % (BUFFERS + 1);
        return 0;
    case VIDIOC_STREAMON: {
        FILE *told = fopen(file("asked"), "w");
        fprintf(told, "%.4s %ux%u %u", (char *)&format.pixelformat, format.width, format.height, period.denominator);
        fclose(told);
        return 0;
    }
    case VIDIOC_STREAMOFF:
        return head = tail = 0;
    case VIDIOC_DQBUF:
        return picture(buffer);
    }
    return refuse(ENOTTY);
}

int ioctl(int fd, unsigned long request, ...) {
    int (*ioctl_)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
    va_list more;
    va_start(more, request);
    void *given = va_arg(more, void *);
    va_end(more);
    return fd >= 0 && fd == device ? answer((unsigned int)request, given) : ioctl_(fd, request, given);
}
