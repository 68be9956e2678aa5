"""All that decides when: timetable, schedules, sensors, notification, first filling of a farm."""
