#include "board.h"

#include <stdint.h>

/* CMSDK UART 0, as in Arm's application note AN386. */
#define UART_DATA (*(volatile uint32_t *)0x40004000u)
#define UART_STATE (*(volatile uint32_t *)0x40004004u)
#define UART_CONTROL (*(volatile uint32_t *)0x40004008u)
#define UART_DIVIDER (*(volatile uint32_t *)0x40004010u)
#define UART_FULL 1u
#define UART_TRANSMIT 1u

void board_open(void)
{
    UART_DIVIDER = 25000000u / 115200u;
    UART_CONTROL = UART_TRANSMIT;
}

void board_print(const char *text)
{
    for (; *text != '\0'; text++) {
        while ((UART_STATE & UART_FULL) != 0u) {
        }
        UART_DATA = (uint32_t)(unsigned char)*text;
    }
}

void board_print_number(int value)
{
    char digits[12];
    char *first = digits + sizeof digits - 1;
    unsigned rest = value < 0 ? 0u - (unsigned)value : (unsigned)value;

    *first = '\0';
    do {
        *--first = (char)('0' + rest % 10u);
        rest /= 10u;
    } while (rest != 0u);
    if (value < 0) {
        *--first = '-';
    }
    board_print(first);
}

void board_exit(int code)
{
    /* Semihosting SYS_EXIT_EXTENDED: reason "application exit", then the code. */
    uint32_t block[2];
    register uint32_t operation __asm("r0") = 0x20u;
    register uint32_t *argument __asm("r1") = block;

    block[0] = 0x20026u;
    block[1] = (uint32_t)code;
    __asm volatile("bkpt 0xAB" : "+r"(operation) : "r"(argument) : "memory");
    for (;;) {
    }
}
