// SPDX-License-Identifier: Apache-2.0
// A plugin for examples/plugin_host.c: it lets others run in its catch blocks, and looks whether the exception is still
// its own.

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

extern "C" int plugin_main(int number, void (*let_others_run)())
{
        int wrong = 0;
        for (int i = 0; i < 10; i++) {
                try {
                        throw number;
                } catch (int) {
                        let_others_run();
                        wrong += current() != number;
                }
        }
        return -wrong;
}
