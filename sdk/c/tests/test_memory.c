#include "../src/arena.h"
#include "../src/utf8.h"
#include "cofferdam_test.h"

static void memory_does_not_overlap_and_is_aligned(void) {
    unsigned char *pieces[500];
    for (size_t at = 0; at < 500; at++) {
        pieces[at] = cofferdam_arena_take(at * 7 % 3000, (size_t)1 << at % 5);
        COFFERDAM_CHECK((uintptr_t)pieces[at] % ((size_t)1 << at % 5) == 0);
        memset(pieces[at], (int)(at % 251), at * 7 % 3000);
    }
    for (size_t at = 0; at < 500; at++)
        for (size_t byte = 0; byte < at * 7 % 3000; byte++)
            if (pieces[at][byte] != at % 251)
                cofferdam_test_check(false, "a piece is as it was written", __FILE__, __LINE__);
}

static void growing_keeps_what_is_there(void) {
    char *grown = cofferdam_arena_take(4, 1);
    memcpy(grown, "abcd", 4);
    char *in_place = cofferdam_arena_grow(grown, 4, 8, 1);
    COFFERDAM_CHECK(in_place == grown);
    cofferdam_arena_take(1, 1);
    char *moved = cofferdam_arena_grow(in_place, 8, 100000, 1);
    COFFERDAM_CHECK(moved != in_place);
    COFFERDAM_CHECK(memcmp(moved, "abcd", 4) == 0);
}

static void a_reset_gives_memory_back(void) {
    cofferdam_arena_reset();
    size_t before = cofferdam_arena_size();
    for (int round = 0; round < 100; round++) {
        for (int piece = 0; piece < 20; piece++)
            memset(cofferdam_allocate(100000), 1, 100000);
        COFFERDAM_CHECK(cofferdam_arena_size() >= 2000000);
        COFFERDAM_CHECK(cofferdam_arena_size() < 4000000);
        cofferdam_arena_reset();
        COFFERDAM_CHECK(cofferdam_arena_size() <= (before > 16384 ? before : 16384));
    }
}

static char ended[8];

static void end(void *name) {
    strcat(ended, name);
}

static void what_is_to_be_done_at_the_end_is_done_once_last_first(void) {
    static char first[] = "1", second[] = "2";
    ended[0] = '\0';
    cofferdam_arena_at_end(end, first);
    cofferdam_arena_at_end(end, second);
    cofferdam_arena_end();
    cofferdam_arena_reset();
    COFFERDAM_CHECK(strcmp(ended, "21") == 0);
}

static void what_is_kept_is_a_copy_with_a_zero_behind(void) {
    char bytes[3] = {'a', '\0', 'b'};
    cofferdam_string kept = cofferdam_keep(cofferdam_bytes(bytes, 3));
    bytes[0] = 'x';
    COFFERDAM_CHECK(cofferdam_equal(kept, cofferdam_bytes("a\0b", 3)));
    COFFERDAM_CHECK(kept.data[3] == '\0');
    COFFERDAM_CHECK(cofferdam_is_none(cofferdam_keep(cofferdam_none())));
    COFFERDAM_CHECK(cofferdam_is(cofferdam_keep(cofferdam_text("")), ""));
}

static void nothing_and_empty_differ(void) {
    COFFERDAM_CHECK(!cofferdam_equal(cofferdam_none(), cofferdam_text("")));
    COFFERDAM_CHECK(cofferdam_equal(cofferdam_none(), cofferdam_text(NULL)));
    COFFERDAM_CHECK(!cofferdam_is_none(cofferdam_bytes(NULL, 0)));
    COFFERDAM_CHECK(!cofferdam_is(cofferdam_none(), ""));
}

static void text_is_made_and_mended(void) {
    COFFERDAM_CHECK(cofferdam_is(cofferdam_format("%d of %s", 1, "two"), "1 of two"));
    COFFERDAM_CHECK(cofferdam_format("%5000d", 1).length == 5000);
    COFFERDAM_CHECK(cofferdam_is(cofferdam_utf8_mended(cofferdam_text("a\xFF\xC3")), "a\xEF\xBF\xBD\xEF\xBF\xBD"));
    COFFERDAM_CHECK(cofferdam_is(cofferdam_utf8_mended(cofferdam_text("\xC3\xBC")), "\xC3\xBC"));
}

int main(void) {
    COFFERDAM_TEST(memory_does_not_overlap_and_is_aligned);
    COFFERDAM_TEST(growing_keeps_what_is_there);
    COFFERDAM_TEST(a_reset_gives_memory_back);
    COFFERDAM_TEST(what_is_to_be_done_at_the_end_is_done_once_last_first);
    COFFERDAM_TEST(what_is_kept_is_a_copy_with_a_zero_behind);
    COFFERDAM_TEST(nothing_and_empty_differ);
    COFFERDAM_TEST(text_is_made_and_mended);
    return cofferdam_test_end();
}
