/* Cortex-M4: start, semihosting, and SysTick as a count of instructions. */
#include "machine.h"

#define SYSTICK ((volatile uint32_t *)UINT32_C(0xe000e010)) /* control, reload, value */
#define RELOAD UINT32_C(0xffffff)
#define NS_AN_INSTRUCTION 1024 /* -icount shift=10 */
#define NS_A_TICK 40           /* 25 MHz */

extern char stack_end[];
int main(void);

void start(void);
void start(void)
{
    SYSTICK[1] = RELOAD;
    SYSTICK[2] = 0;
    SYSTICK[0] = 5; /* on, of the processor's clock */
    (void)main();
}

/* The stack and the reset handler. The emulator has zeroed what the program does not fill. */
__attribute__((section(".start"), used)) static const struct {
    const void *stack;
    void (*reset)(void);
} vectors = {stack_end, start};

intptr_t host_call(intptr_t number, const void *argument)
{
    register intptr_t r0 __asm__("r0") = number;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void count_anew(void)
{
    SYSTICK[2] = 0;
}

uint32_t counted(void)
{
    return (uint32_t)((uint64_t)(RELOAD - SYSTICK[2]) * NS_A_TICK / NS_AN_INSTRUCTION);
}
