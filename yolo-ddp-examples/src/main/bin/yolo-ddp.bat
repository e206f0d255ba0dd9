@echo off
rem Starts yolo-ddp with the java of JAVA_HOME, or else of the PATH. JAVA_OPTS are passed to it.
setlocal
set "home=%~dp0.."
set "java=java"
if defined JAVA_HOME set "java=%JAVA_HOME%\bin\java.exe"
"%java%" -version >nul 2>&1
if errorlevel 1 (
    echo error: StartException: "%java%" can't be run; install a JDK 17 or later, or set JAVA_HOME to one 1>&2
    exit /b 1
)
"%java%" -Djava.awt.headless=true %JAVA_OPTS% "-Dyoloddp.home=%home%" -cp "%home%\lib\*" org.yoloddp.examples.YoloDdp %*
exit /b %ERRORLEVEL%
