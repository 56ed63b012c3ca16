using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Kedge.Protocol.Api;

namespace Kedge.Commands.Admin;

/// <summary>A command that asks something of a controller, with the login of whoever calls it.</summary>
internal abstract class AdminCommand : Command
{
    // Base64 is full of '+', which the default encoder would escape for the sake of HTML.
    private static readonly ApiJson Indented = new(new JsonSerializerOptions(ApiJson.Default.Options)
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });

    private readonly Option<bool> _json = new("--json") { Description = "Print the API's JSON in place of a table." };
    private readonly Option<string> _loginFile = LoginFile.Option();

    protected AdminCommand(string name, string description)
        : base(name, description) => SetAction((call, _) => RunAsync(call));

    /// <summary>Adds what the command takes, in the order in which the help shows it, and after that what all such commands take.</summary>
    /// <param name="hasJson">Whether it prints objects of the API.</param>
    /// <param name="symbols">Arguments and options.</param>
    protected void Take(bool hasJson, params ReadOnlySpan<Symbol> symbols)
    {
        foreach (Symbol symbol in symbols)
        {
            if (symbol is Argument argument)
                Arguments.Add(argument);
            else
                Options.Add((Option)symbol);
        }
        if (hasJson)
            Options.Add(_json);
        Options.Add(_loginFile);
    }

    /// <summary>Does it.</summary>
    protected abstract Task RunAsync(AdminClient controller, ParseResult call);

    /// <summary>Whether JSON is asked for.</summary>
    protected bool WantsJson(ParseResult call) => call.GetValue(_json);

    /// <summary>Writes an object of the API: as JSON where it is asked for, or as <paramref name="format"/> puts it for a person.</summary>
    protected void Print<T>(ParseResult call, T value, Func<T, string> format) =>
        call.InvocationConfiguration.Output.Write(WantsJson(call) ? ToJson(value) : format(value));

    /// <summary>An object of the API as JSON, indented, with a line feed.</summary>
    protected static string ToJson<T>(T value) => JsonSerializer.Serialize(value, (JsonTypeInfo<T>)Indented.GetTypeInfo(typeof(T))!) + "\n";

    /// <summary>Writes a line for a person.</summary>
    protected static void Say(ParseResult call, string line) => call.InvocationConfiguration.Output.WriteLine(TextTable.Clean(line));

    /// <summary>Writes a line for a person beside what the command prints.</summary>
    protected static void Explain(ParseResult call, string line) => call.InvocationConfiguration.Error.WriteLine(TextTable.Clean(line));

    private async Task<int> RunAsync(ParseResult call)
    {
        using var controller = new AdminClient(Login.Read(call.GetRequiredValue(_loginFile)));
        await RunAsync(controller, call);
        return 0;
    }
}
