"""Writes every dashboard anew, and the page that tells of them."""

import live
import monitor
import outages
import page
import sheet
import stability

SHEETS = (live.SHEET, outages.SHEET, stability.SHEET, monitor.SHEET)

if __name__ == "__main__":
    for one in SHEETS:
        sheet.write(one)
    page.write()
