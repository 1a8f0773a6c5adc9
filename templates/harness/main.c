/* One image for one core: reads rows through semihosting, runs the model, writes records.
 * input.bin: rows, probes, spins (uint32), then the rows and the probes, MODEL_INPUTS floats each.
 * output.bin: struct header, a struct record for each row, a struct probe for each probe. */
#include "board.h"
#include "record.h"

enum { SYS_OPEN = 0x01, SYS_CLOSE = 0x02, SYS_WRITE = 0x05, SYS_READ = 0x06, SYS_EXIT_EXTENDED = 0x20 };
enum { OPEN_READ = 1, OPEN_WRITE = 5 };
enum { EXIT_GOOD = 0, EXIT_FAULT = 70, EXIT_FILE = 71, EXIT_STACK = 72 };
enum { MEASURED = 3 };

#define PAINT 0xA5C35A3Cu
#define CLOCK_WRAPPED UINT32_MAX

#define SYSTEM_STATE (*(volatile uint32_t *)0xE000ED04u)
#define FAULT_STATUS (*(volatile uint32_t *)0xE000ED28u)
#define SYSTICK_CONTROL (*(volatile uint32_t *)0xE000E010u)
#define SYSTICK_RELOAD (*(volatile uint32_t *)0xE000E014u)
#define SYSTICK_VALUE (*(volatile uint32_t *)0xE000E018u)
#define SYSTICK_ON 5u              /* counting the core's clock, without interrupts */
#define SYSTICK_COUNTED 0x10000u   /* went through zero since this register was read */
#define SYSTICK_MASK 0xFFFFFFu

struct header {
    int32_t self_test;
    int32_t inputs;
    int32_t classes;
    int32_t scratch;
    uint32_t nothing_ticks;   /* of 1 instruction */
    uint32_t spin_ticks;      /* of 2 * spins + 1 instructions */
};

struct probe {
    uint32_t ticks[MEASURED];   /* of quantise, predict_q, predict */
    uint32_t stack[MEASURED];   /* bytes below the stack pointer at the call */
};

/* Room for what the model declares, for the arrays of its self-test, and for the rest of its frames and ours. */
#define STACK_BYTES (2048u + MODEL_SCRATCH + MODEL_INPUTS + 8u * MODEL_CLASSES)

HARNESS_STACK static uint64_t stack[STACK_BYTES / sizeof(uint64_t) + 1];
static uint32_t *const lowest = (uint32_t *)stack;
static int clocked; /* an emulator without SysTick counts by itself */
static float row[MODEL_INPUTS];
static struct record result;

HARNESS_VECTORS(stack + sizeof stack / sizeof stack[0]);

static void leave(uint32_t code) __attribute__((noreturn));

static void leave(uint32_t code)
{
    const uint32_t block[2] = {0x20026, code}; /* the application's own exit */
    for (;;) {
        (void)semihosting(SYS_EXIT_EXTENDED, block);
    }
}

static int32_t open_file(const char *path, uint32_t length, uint32_t mode)
{
    const uint32_t block[3] = {(uint32_t)path, mode, length};
    int32_t handle = semihosting(SYS_OPEN, block);
    if (handle == -1) {
        leave(EXIT_FILE);
    }
    return handle;
}

static void transfer(int32_t operation, int32_t handle, const void *memory, uint32_t bytes)
{
    const uint32_t block[3] = {(uint32_t)handle, (uint32_t)memory, bytes};
    if (semihosting(operation, block) != 0) { /* the bytes that were not transferred */
        leave(EXIT_FILE);
    }
}

static void close_file(int32_t handle)
{
    const uint32_t block[1] = {(uint32_t)handle};
    (void)semihosting(SYS_CLOSE, block);
}

void harness_fault(const uint32_t *frame)
{
    if (frame < lowest) {
        leave(EXIT_STACK);
    }
    /* Where it happened, from the exception frame; the kind of fault; what is known of it (0 before ARMv7-M). */
    const uint32_t report[3] = {frame[6], SYSTEM_STATE & 0x1FFu, FAULT_STATUS};
    int32_t handle = open_file("fault.bin", 9, OPEN_WRITE);
    transfer(SYS_WRITE, handle, report, sizeof report);
    close_file(handle);
    leave(EXIT_FAULT);
}

static uint32_t measure(void (*function)(void), const void *first, const void *second, uint32_t *depth)
{
    struct call call = {function, first, second, lowest, PAINT, &SYSTICK_VALUE, 0, 0};
    const uint32_t *deepest = lowest;

    if (clocked) {
        SYSTICK_VALUE = 0;
        while (SYSTICK_VALUE == 0) { /* until it has reloaded */
        }
        (void)SYSTICK_CONTROL;
    }
    harness_call(&call);
    while (deepest < call.top && *deepest == PAINT) {
        ++deepest;
    }
    if (deepest == lowest) {
        leave(EXIT_STACK);
    }
    *depth = (uint32_t)((const char *)call.top - (const char *)deepest);
    return (SYSTICK_CONTROL & SYSTICK_COUNTED) != 0 ? CLOCK_WRAPPED : call.ticks & SYSTICK_MASK;
}

int main(void)
{
    uint32_t counts[3];
    uint32_t unused;
    struct header header = {0, MODEL_INPUTS, MODEL_CLASSES, MODEL_SCRATCH, 0, 0};

    *lowest = PAINT;
    int32_t input = open_file("input.bin", 9, OPEN_READ);
    int32_t output = open_file("output.bin", 10, OPEN_WRITE);
    transfer(SYS_READ, input, counts, sizeof counts);

    SYSTICK_RELOAD = SYSTICK_MASK;
    SYSTICK_CONTROL = SYSTICK_ON;
    header.self_test = MODEL(self_test)();
    clocked = counts[2] != 0;
    if (clocked) {
        header.nothing_ticks = measure(harness_nothing, 0, 0, &unused);
        header.spin_ticks = measure((void (*)(void))harness_spin, (const void *)counts[2], 0, &unused);
    }
    transfer(SYS_WRITE, output, &header, sizeof header);

    for (uint32_t count = counts[0]; count > 0; --count) {
        transfer(SYS_READ, input, row, sizeof row);
        record_row(row, &result);
        transfer(SYS_WRITE, output, &result, sizeof result);
    }
    for (uint32_t count = counts[1]; count > 0; --count) {
        struct probe probe;
        transfer(SYS_READ, input, row, sizeof row);
        probe.ticks[0] = measure((void (*)(void))MODEL(quantise), row, result.codes, &probe.stack[0]);
        probe.ticks[1] = measure((void (*)(void))MODEL(predict_q), result.codes, 0, &probe.stack[1]);
        probe.ticks[2] = measure((void (*)(void))MODEL(predict), row, 0, &probe.stack[2]);
        transfer(SYS_WRITE, output, &probe, sizeof probe);
    }
    if (*lowest != PAINT) {
        leave(EXIT_STACK);
    }
    close_file(input);
    close_file(output);
    leave(EXIT_GOOD);
}
