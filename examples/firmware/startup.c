/* From reset to main: vectors, the FPU, .data and .bss. */
#include <stdint.h>

extern uint32_t data_image[], data_start[], data_end[], bss_start[], bss_end[];

void stack_top(void); /* an address that the linker script sets, never called */
int main(void);
void reset_handler(void);
void fault_handler(void);

#define CPACR (*(volatile uint32_t *)0xE000ED88u)

void fault_handler(void)
{
    for (;;) {
    }
}

void reset_handler(void)
{
    const uint32_t *image = data_image;
    uint32_t *word;

    CPACR |= 0xFu << 20; /* full access to the FPU, before any code that may use it */
    __asm volatile("dsb\n\tisb");
    for (word = data_start; word < data_end; word++) {
        *word = *image++;
    }
    for (word = bss_start; word < bss_end; word++) {
        *word = 0;
    }
    (void)main();
    fault_handler();
}

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    stack_top,     /* 0: the stack pointer at reset */
    reset_handler, /* 1 */
    fault_handler, /* 2: NMI */
    fault_handler, /* 3: hard fault */
    fault_handler, /* 4: memory management */
    fault_handler, /* 5: bus fault */
    fault_handler, /* 6: usage fault */
};
