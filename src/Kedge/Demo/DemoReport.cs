using System.Text;
using System.Text.Json;

namespace Kedge.Demo;

/// <summary>What a demo says: sentences and checks for a person, or one JSON object a check.</summary>
/// <param name="output">Where it goes; the caller's.</param>
/// <param name="asJson">Whether a program reads it.</param>
public sealed class DemoReport(TextWriter output, bool asJson)
{
    /// <summary>How many checks passed.</summary>
    public int Passed { get; private set; }

    /// <summary>How many checks failed.</summary>
    public int Failed { get; private set; }

    /// <summary>Tells a person what happens next; a program is told nothing.</summary>
    public void Say(string text)
    {
        if (!asJson)
            output.WriteLine(text);
    }

    /// <summary>
    /// Does one thing and tells how it went. What goes wrong with a command or is not awaited in time is a failed check, not the end of the
    /// demo.
    /// </summary>
    /// <param name="name">What is checked, in a few words.</param>
    /// <param name="check">Returns what was seen, in plain words; throws where it was not what it should be.</param>
    /// <param name="zone">The zone that it is about; null for none or several.</param>
    /// <returns>Whether it passed.</returns>
    public bool Check(string name, Func<string> check, string? zone = null)
    {
        ArgumentNullException.ThrowIfNull(check);
        bool ok = true;
        string detail;
        try
        {
            detail = check();
        }
        catch (Exception exception) when (exception is CommandException or TimeoutException or DemoException)
        {
            ok = false;
            detail = exception.Message;
        }
        _ = ok ? Passed++ : Failed++;
        if (asJson)
            output.WriteLine(ToJson(name, zone, ok, detail));
        else
            output.WriteLine($"  {(ok ? "ok    " : "FAILED")}  {name,-34}  {detail}");
        return ok;
    }

    /// <summary>Tells how it all went.</summary>
    /// <param name="taken">How long it took.</param>
    /// <returns>Whether all checks passed.</returns>
    public bool Conclude(TimeSpan taken)
    {
        Say(Failed == 0
            ? $"All {Passed} checks passed in {taken.TotalSeconds:0} s. Nothing of it is left on this machine."
            : $"{Failed} of {Passed + Failed} checks failed.");
        return Failed == 0;
    }

    private static string ToJson(string name, string? zone, bool ok, string detail)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteString("check", name);
            if (zone is not null)
                json.WriteString("zone", zone);
            json.WriteBoolean("ok", ok);
            json.WriteString("detail", detail);
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(stream.ToArray());
    }
}

/// <summary>Something was seen that should not be.</summary>
/// <param name="message">What was seen, and what should have been.</param>
public sealed class DemoException(string message) : Exception(message);
