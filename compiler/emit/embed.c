/* Weights as an object file, written straight from memory: going through a constant of LLVM or an assembler
 * would hold several copies of what may be half a gigabyte. ELF64, little endian. Called by emit.c. */
#include "compiler/emit/emit.h"
#include <elf.h>

enum { SECTION_NONE, SECTION_DATA, SECTION_SYMBOLS, SECTION_STRINGS, SECTION_NAMES, SECTION_STACK, SECTIONS };
static const char section_names[] = "\0.rodata.embedded\0.symtab\0.strtab\0.shstrtab\0.note.GNU-stack";
enum { NAME_DATA = 1, NAME_SYMBOLS = 18, NAME_STRINGS = 26, NAME_NAMES = 34, NAME_STACK = 44 };

#if defined __x86_64__
#define MACHINE EM_X86_64
#elif defined __aarch64__
#define MACHINE EM_AARCH64
#else
#error "embed.c writes ELF objects for x86-64 and AArch64"
#endif

static size_t round_up(size_t size, size_t to) { return (size + to - 1) / to * to; }

static bool pad(OutFile *f, size_t from, size_t to) {
  static const char zeros[64];
  return outfile_write(f, zeros, to - from);
}

bool embed_object(OutFile *f, const char *symbol, const void *bytes, size_t count) {
  char strings[512] = {0};
  size_t strings_size = (size_t)snprintf(strings + 1, sizeof strings - 1, "%s", symbol) + 2;
  if (strings_size > sizeof strings) BUG("the name %s is too long for a symbol", symbol);
  Elf64_Sym symbols[2] = {{0},
                          {.st_name = 1,
                           .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT),
                           .st_other = STV_HIDDEN,
                           .st_shndx = SECTION_DATA,
                           .st_size = count}};
  size_t data = 64, symbols_at = data + round_up(count, 64), strings_at = symbols_at + sizeof symbols;
  size_t names_at = strings_at + strings_size, end = names_at + sizeof section_names, table = round_up(end, 8);
  Elf64_Ehdr header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                       .e_type = ET_REL,
                       .e_machine = MACHINE,
                       .e_version = EV_CURRENT,
                       .e_shoff = table,
                       .e_ehsize = sizeof header,
                       .e_shentsize = sizeof(Elf64_Shdr),
                       .e_shnum = SECTIONS,
                       .e_shstrndx = SECTION_NAMES};
  Elf64_Shdr sections[SECTIONS] = {
      [SECTION_DATA] = {.sh_name = NAME_DATA,
                        .sh_type = SHT_PROGBITS,
                        .sh_flags = SHF_ALLOC,
                        .sh_offset = data,
                        .sh_size = count,
                        .sh_addralign = 64},
      [SECTION_SYMBOLS] = {.sh_name = NAME_SYMBOLS,
                           .sh_type = SHT_SYMTAB,
                           .sh_offset = symbols_at,
                           .sh_size = sizeof symbols,
                           .sh_link = SECTION_STRINGS,
                           .sh_info = 1,
                           .sh_addralign = 8,
                           .sh_entsize = sizeof *symbols},
      [SECTION_STRINGS] = {.sh_name = NAME_STRINGS,
                           .sh_type = SHT_STRTAB,
                           .sh_offset = strings_at,
                           .sh_size = strings_size,
                           .sh_addralign = 1},
      [SECTION_NAMES] = {.sh_name = NAME_NAMES,
                         .sh_type = SHT_STRTAB,
                         .sh_offset = names_at,
                         .sh_size = sizeof section_names,
                         .sh_addralign = 1},
      [SECTION_STACK] = {.sh_name = NAME_STACK, .sh_type = SHT_PROGBITS, .sh_offset = end, .sh_addralign = 1}};
  _Static_assert(sizeof header == 64, "the data begins behind the header");
  return outfile_write(f, &header, sizeof header) && outfile_write(f, bytes, count) &&
         pad(f, data + count, symbols_at) && outfile_write(f, symbols, sizeof symbols) &&
         outfile_write(f, strings, strings_size) && outfile_write(f, section_names, sizeof section_names) &&
         pad(f, end, table) && outfile_write(f, sections, sizeof sections);
}
