/* RISC-V, rv32imac: start, semihosting, and the count of instructions. */
#include "machine.h"

int main(void);

/* The emulator has zeroed what the program does not fill. */
__attribute__((section(".start"), naked, used)) void start(void)
{
    __asm__ volatile("la sp, stack_end\n\tcall main");
}

intptr_t host_call(intptr_t number, const void *argument)
{
    register intptr_t a0 __asm__("a0") = number;
    register const void *a1 __asm__("a1") = argument;
    /* Three long instructions on one page. */
    __asm__ volatile(".option push\n\t.option norvc\n\t.balign 16\n\t"
                     "slli x0, x0, 0x1f\n\tebreak\n\tsrai x0, x0, 7\n\t.option pop"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
    return a0;
}

static uint32_t begun;

static uint32_t executed(void)
{
    uint32_t count;
    __asm__ volatile(".option push\n\t.option arch, +zicsr\n\tcsrr %0, minstret\n\t.option pop"
                     : "=r"(count));
    return count;
}

void count_anew(void)
{
    begun = executed();
}

uint32_t counted(void)
{
    return executed() - begun;
}
