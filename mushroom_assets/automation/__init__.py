"""All that decides when: timetable, schedules, sensors, notification, the first filling of a farm."""
