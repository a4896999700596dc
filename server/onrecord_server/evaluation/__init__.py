"""How right the model, the rule and the attribution are, on data with answers; and calibration fitted on such data.

Reports are plain dicts, ready for JSON: all shares are 0 to 1, an interval is [low, high]. Nothing here reads the
user's files or prints; `onrecord eval` and `onrecord calibrate` do.
"""
