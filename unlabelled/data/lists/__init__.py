"""Lists of files in any encoding, tables of own files, and folders of media without any list."""

from unlabelled.data.lists.folder import FileList, Labels, list_files
from unlabelled.data.lists.own_table import Listed
from unlabelled.data.lists.shares import Shares
from unlabelled.data.lists.tables import Record, read_records
from unlabelled.data.lists.text import one_line, read_lines, read_text

__all__ = [
    "FileList",
    "Labels",
    "Listed",
    "Record",
    "Shares",
    "list_files",
    "one_line",
    "read_lines",
    "read_records",
    "read_text",
]
