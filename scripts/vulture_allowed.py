"""Names that look unused and are not: each with the one who uses it. Read as a list, never run.

A name is added when a library calls it, or reads it, behind our back; never to keep dead code.
"""

from typing import Any

_: Any = None

# click asks a group for these.
_.format_commands
_.shell_complete

# urllib3 makes its pools, connections and answers of the classes that it finds under these names.
_.pool_classes_by_scheme
_.ConnectionCls
_.response_class

# io.BufferedReader asks the raw stream below it.
_.readable

# http.client asks the socket that the fuzzer puts below it.
_.makefile
_.sendall
_.setsockopt

# configparser asks its parser how keys are written, and pytest a module for its marks.
_.optionxform
_.pytestmark

# http.server asks the handler and the server of the faulty proxy for these.
_.protocol_version
_.disable_nagle_algorithm
_.close_connection
_.do_HEAD
_.do_POST
_.do_PUT
_.do_PATCH
_.do_DELETE
_.log_message
_.daemon_threads
_.block_on_close
_.request_queue_size
_.shutdown_request
_.handle_error
