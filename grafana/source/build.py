"""Writes every dashboard anew, the page that tells of them, and what is told of alerts."""

import alerts_page
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
    alerts_page.write()
