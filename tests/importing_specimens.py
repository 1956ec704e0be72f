"""Good files of each kind that can be imported."""

CALENDAR = b"""BEGIN:VCALENDAR
VERSION:2.0
PRODID:school
BEGIN:VEVENT
UID:algebra
DTSTART;TZID=Europe/Berlin:20261019T183000
DTEND;TZID=Europe/Berlin:20261019T193000
RRULE:FREQ=WEEKLY;BYDAY=MO,TH;UNTIL=20261120T230000Z
EXDATE;TZID=Europe/Berlin:20261026T183000
X-QOS-LEARNERS:u1,u2
ORGANIZER:mailto:t1@school.example
END:VEVENT
BEGIN:VEVENT
UID:algebra
RECURRENCE-ID;TZID=Europe/Berlin:20261102T183000
SEQUENCE:2
DTSTART:20261103T183000
DURATION:PT1H
STATUS:CANCELLED
DTSTAMP:20261001T000000Z
END:VEVENT
END:VCALENDAR
"""
CLASSES = b"""\
id,starts_at,ends_at,provider,course_id,teacher_id,learner_ids,cancelled_at,cancelled_by,cancelled_technical
c1,2026-11-02T11:00:00Z,2026-11-02T12:00:00Z,agora,math,t1,u1;u2,,,
c2,2026-11-03T11:00:00Z,2026-11-03T12:00:00Z,agora,"ma,th",t1,u1,2026-11-01T00:00:00Z,platform,false
"""
ENROLMENTS = b"""id,learner_id,course_id,starts_at,price_minor,paid_minor,currency,lessons_paid,lessons_used_before
e1,u1,math,2026-09-01T00:00:00Z,480000,480000,CNY,48,20.5
"""

ONEROSTER = {
    "manifest.csv": "propertyName,value\nmanifest.version,1.0\noneroster.version,1.2\n"
    + "".join(
        f"file.{name},bulk\n" for name in ("academicSessions", "classes", "courses", "enrollments", "orgs", "users")
    )
    + "file.demographics,absent\nsource.systemName,School\n",
    "orgs.csv": "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\no1,,,The School,school,,\n",
    "academicSessions.csv": "sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,"
    "schoolYear\nterm1,,,Autumn,term,2026-09-01,2027-01-31,,2027\n",
    "courses.csv": "sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,orgSourcedId,"
    'subjects,subjectCodes\nmath,,,,"Mathematics, basic",M1,07,o1,,\n',
    "classes.csv": "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,"
    "schoolSourcedId,termSourcedIds,subjects,subjectCodes,periods\n"
    'math-7b,,,Maths 7b,07,math,,scheduled,,o1,"term1",,,1\n',
    "users.csv": "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,middleName,"
    "identifier,email,sms,phone,agentSourcedIds,grades,password,userMasterIdentifier,resourceSourcedIds,preferredGivenName,"
    "preferredMiddleName,preferredFamilyName,primaryOrgSourcedId,pronouns\n"
    + "".join(f"{user},,,true,name-{user},,A,B,,,,,,,,,,,,,,o1,\n" for user in ("u1", "u2", "t1", "t2", "p1")),
    "enrollments.csv": "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,"
    "beginDate,endDate\n"
    "1,,,math-7b,o1,u1,student,false,,\n"
    "2,,,math-7b,o1,u2,student,false,2026-10-01,2026-12-18\n"
    "3,,,math-7b,o1,t1,teacher,false,,\n"
    "4,,,math-7b,o1,t2,teacher,true,,2026-10-31\n"
    "5,,,math-7b,o1,p1,proctor,false,,\n",
}
