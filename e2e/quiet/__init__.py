"""Nothing phones home: programs run where every system call that could reach somebody is recorded, and judged.

``trace`` reads what strace writes, ``events`` says what it means, ``rule`` says what is allowed, ``recorder`` runs.
"""
