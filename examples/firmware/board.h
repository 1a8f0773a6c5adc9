/* The little of the board that the example needs: a serial port and a way to end. */
#ifndef BOARD_H
#define BOARD_H

void board_open(void);
void board_print(const char *text);
void board_print_number(int value);

/* Ends the emulation with an exit code; on a board with a debugger, stops there. */
void board_exit(int code);

#endif
