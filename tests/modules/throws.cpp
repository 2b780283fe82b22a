// SPDX-License-Identifier: Apache-2.0
// A C++ library for a program of C: what it does in its catch blocks is the program's.
#include <exception>

namespace
{

int current()
{
        try {
                throw;
        } catch (int x) {
                return x;
        }
}

} // namespace

// How often it found another's exception: `me` in a block, me + 100 in one inside of it. wait lets others run.
extern "C" int throws_and_waits(int me, void (*wait)())
{
        int wrong = 0;
        for (int i = 0; i < 20; i++) {
                try {
                        throw me;
                } catch (int) {
                        wait();
                        wrong += current() != me;
                        try {
                                throw me + 100;
                        } catch (int) {
                                for (int k = 0; k <= me; k++)
                                        wait();
                                wrong += current() != me + 100;
                        }
                        wait();
                        wrong += current() != me;
                }
                wrong += std::current_exception() != nullptr;
        }
        return wrong;
}

extern "C" int in_a_catch_block(int (*fn)())
{
        try {
                throw 7;
        } catch (int) {
                const int rc = fn();
                return current() == 7 ? rc : -1;
        }
}
