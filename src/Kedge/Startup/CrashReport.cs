using System.Diagnostics;
using System.Globalization;

namespace Kedge.Startup;

/// <summary>
/// What a person is shown of a defect, to send on. A native program knows the names of its methods but no lines; the build ID and the
/// addresses let <c>script/symbolize</c> find these in the file with the symbols.
/// </summary>
internal static class CrashReport
{
    private const string Request = "kedge: this is a defect of Kedge, please report it.";

    /// <summary>Has a report written of exceptions that nobody catches, on whatever thread, before they end the process.</summary>
    public static void WriteForUnhandledExceptions() => AppDomain.CurrentDomain.UnhandledException += (_, e) =>
    {
        // The runtime writes the exception itself.
        if (e.ExceptionObject is Exception exception && Addresses(exception) is { } addresses)
            Console.Error.WriteLine($"{Request}\n{addresses}");
    };

    /// <summary>The report of an exception.</summary>
    public static string Of(Exception exception)
    {
        string report = $"{Request}\n{exception}";
        return Addresses(exception) is { } addresses ? $"{report}\n{addresses}" : report;
    }

    // The addresses are relative to the beginning of the program, the innermost exception's first, as its text is.
    private static string? Addresses(Exception exception)
    {
        if (BuildId.OfThis() is not { } id)
            return null;
        var exceptions = new Stack<Exception>();
        for (Exception? e = exception; e is not null; e = e.InnerException)
            exceptions.Push(e);
        IEnumerable<string> addresses =
            from e in exceptions
            from frame in new StackTrace(e).GetFrames()
            where frame.GetNativeIP() != 0
            select (frame.GetNativeIP() - frame.GetNativeImageBase()).ToString("x", CultureInfo.InvariantCulture);
        return $"build ID {id}, at {string.Join(' ', addresses)}";
    }
}
