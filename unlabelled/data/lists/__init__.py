"""Lists of files in any encoding, tables of own files, and folders of media without any list."""

from unlabelled.data.lists.folder import FileList, Labels, list_files
from unlabelled.data.lists.own_table import Listed
from unlabelled.data.lists.shares import Shares
from unlabelled.data.lists.tables import Record, read_records
from unlabelled.data.lists.text import encoding_of, one_line, open_list, read_lines, read_text

__all__ = [
    "FileList",
    "Labels",
    "Listed",
    "Record",
    "Shares",
    "encoding_of",
    "list_files",
    "one_line",
    "open_list",
    "read_lines",
    "read_records",
    "read_text",
]
