using System.Text;

namespace Kedge.Commands.Admin;

/// <summary>Asks a person for a secret, without showing what is typed; where there is no terminal it is read from standard input.</summary>
internal static class SecretInput
{
    /// <summary>Asks for an administrator's token.</summary>
    /// <exception cref="Protocol.UserError">What is given has not the form of a token.</exception>
    public static string Read()
    {
        if (Console.IsInputRedirected)
            return Login.ReadToken(Console.In.ReadLine() ?? "", "Standard input");
        Console.Error.Write("Administrator's token (it is not shown): ");
        string token = ReadHidden();
        Console.Error.WriteLine();
        return Login.ReadToken(token, "What was typed");
    }

    private static string ReadHidden()
    {
        var text = new StringBuilder();
        while (Console.ReadKey(intercept: true) is { Key: not ConsoleKey.Enter } key)
        {
            if (key.Key != ConsoleKey.Backspace)
                text.Append(key.KeyChar);
            else if (text.Length > 0)
                text.Length--;
        }
        return text.ToString();
    }
}
