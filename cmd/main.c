/* erp2couch: see cli.h for the command line and ARCHITECTURE.md for the way through the code. */
#include "cmd/cli.h"

int main(int argc, char **argv)
{
        return cli_main(argc, argv);
}
