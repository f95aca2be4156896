"""What a command ends with, and the error that its user can mend. Standard library alone."""

PASS = 0
FINDING = 1
USAGE = 2
INCONCLUSIVE = 3
UNFIT = 4


class UserError(Exception):
    """Something that the user can mend. Printed as one line; the command ends with `exit_code`."""

    def __init__(self, message: str, exit_code: int = USAGE) -> None:
        super().__init__(message)
        self.exit_code = exit_code
